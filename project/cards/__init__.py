"""The cards with which consumers announce their tasks to producers that do not have the code.

card         the content of a card, and its limits
describe     the card of a task
schemas      JSON Schemas from a card, made safe
arguments    the request model of a card
store        the cards in Redis
"""

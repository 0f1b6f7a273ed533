"""Texts that attack the page that shows them: markup, and words that are too long."""

HOSTILE = '<img src=x onerror="attacked=1"><script>attacked=1</script>'
HOSTILE_ID = "<b>'&quot;%2e\\"  # without spaces: a record separates the ids of children by them
LONG = "q" * 100  # the longest name of a queue that a card may have

HOSTILE_TYPE = HOSTILE.replace('"', "")  # Python's own class names have no quotes either

"""The tasks of the shop are functions: a test calls them."""

from shop.tasks import label, quote


def test_a_quote_has_discount_and_vat() -> None:
    """1000 cents, less a tenth, plus a fifth."""
    assert quote([400, 600], discount=10) == 1080


def test_a_label_is_an_svg() -> None:
    """The page of the shop can contain it as it is."""
    assert label("parcel-17").startswith("<svg ")

"""Which services are balanced by method."""

import pytest

from meshregistry.model.dubbo_policy import MethodSelector, is_method_lb_enabled

SHOP = MethodSelector((("application", "shop"),))
NOT_SHOP = MethodSelector((("application", "shop"),), invert=True)


@pytest.mark.parametrize(
    ("selectors", "application", "expected"),
    [
        ((), "shop", False),
        ((SHOP,), "shop", True),
        ((SHOP,), "other", False),
        ((NOT_SHOP,), "shop", False),
        ((NOT_SHOP,), "other", True),
        ((NOT_SHOP, SHOP), "shop", True),
        ((NOT_SHOP, SHOP), "other", False),
    ],
)
def test_selectors_that_include_decide_before_those_that_exclude(
    selectors: tuple[MethodSelector, ...], application: str, expected: bool
) -> None:
    assert expected is is_method_lb_enabled(selectors, {"application": application})

import pytest

from edgevolve.spelling import misspelt, suggestion


def test_a_slip_gets_the_nearest_name():
    assert suggestion("eror", ["macs", "error"]) == "; did you mean 'error'?"
    assert suggestion("nsga3", ["NSGA3", "REINFORCE"]) == "; did you mean 'NSGA3'?"


def test_what_is_near_nothing_gets_no_suggestion():
    assert suggestion("colour", ["macs", "error"]) == ""
    assert suggestion("x" * 10**6, ["macs"]) == ""


class Training:
    def __init__(self, *, epochs=3, batch=4):
        self.epochs = epochs


@pytest.mark.parametrize(
    ("slip", "near"),
    [
        (lambda: Trainning(), "; did you mean 'Training'?"),  # noqa: F821
        (lambda: Training(epoch=3), "; did you mean 'epochs'?"),
        (lambda: Training(colour=3), "; it takes epochs, batch"),
        (lambda: exec("from search_algorithms import NSGA2"), "; did you mean 'NSGA3'?"),
        (lambda: 1 / 0, ""),
    ],
)
def test_a_slip_in_python_gets_the_name_that_is_near(slip, near):
    with pytest.raises((NameError, TypeError, ImportError, ZeroDivisionError)) as caught:
        slip()
    assert misspelt(caught.value, globals()) == near

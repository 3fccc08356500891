from edgevolve.spelling import suggestion


def test_a_slip_gets_the_nearest_name():
    assert suggestion("eror", ["macs", "error"]) == "; did you mean 'error'?"
    assert suggestion("nsga3", ["NSGA3", "REINFORCE"]) == "; did you mean 'NSGA3'?"


def test_what_is_near_nothing_gets_no_suggestion():
    assert suggestion("colour", ["macs", "error"]) == ""
    assert suggestion("x" * 10**6, ["macs"]) == ""

from course_lib.benchmark import Speed
from course_lib.figures_serving import laps_figure, throughput_figure
from course_lib.gpu_serving import figures_of


def test_laps_are_drawn_in_milliseconds_from_the_first_token_on():
    figure = laps_figure({"slow": [0.2, 0.3], "fast": [0.2, 0.01]}, 146)
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    assert lines["slow: 0.50 s in all"].get_ydata().tolist() == [200, 300]
    assert lines["fast: 0.21 s in all"].get_xdata().tolist() == [1, 2] and "146" in axis.get_xlabel()


def test_throughput_is_drawn_beside_perfect_batching_of_the_first_engine():
    figure = throughput_figure({"one": {1: 2.0, 4: 6.0}, "other": {1: 3.0, 8: 20.0}})
    (axis,) = figure.axes
    *lines, perfect = axis.lines
    assert [line.get_ydata().tolist() for line in lines] == [[2, 6], [3, 20]]
    assert perfect.get_xdata().tolist() == [1, 4, 8] and perfect.get_ydata().tolist() == [2, 8, 16]


def test_what_is_kept_of_a_measurement_counts_answers_and_those_that_are_the_same():
    first = Speed("transformers", 1, ("a", "b", "c"), 9, 1.234, 0.0567)
    other = Speed("lmdeploy", 4, ("a", "x", "c"), 8, 0.5, 0.01)
    assert figures_of(other, first) == {
        "at once": 4, "answers": 3, "tokens": 8, "seconds": 0.5, "first token": 0.01, "same answers": 2
    }  # fmt: skip
    assert figures_of(first, first)["same answers"] == 3

import pytest

from course_lib.decoding import cut_at_stop, decode_stream


def pieces(tiny, text, stop=()):
    return list(decode_stream(tiny.tokenizer(text, add_special_tokens=False)["input_ids"], tiny.tokenizer, stop))


def test_a_stream_shows_no_half_characters(tiny):
    ids = tiny.tokenizer("a🍜b", add_special_tokens=False)["input_ids"]
    bytes_of_noodles = tiny.tokenizer.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in "🍜".encode()])
    assert list(decode_stream([ids[0], *bytes_of_noodles, ids[-1]], tiny.tokenizer)) == ["a", "🍜", "b"]


def test_a_stream_adds_up_to_the_text_without_the_space_around_it(tiny):
    assert "".join(pieces(tiny, "one two\nthree ")) == "one two\nthree"


@pytest.mark.parametrize(("stop", "left"), [
    (("wo\nt",), "one t"), (("\n",), "one two"), (("three", "two"), "one"), (("one",), ""),
    (("four",), "one two\nthree"),
])  # fmt: skip
def test_a_stream_ends_before_a_stop_text_and_shows_nothing_of_it(tiny, stop, left):
    assert "".join(pieces(tiny, "one two\nthree", stop)) == left


def test_the_beginning_of_a_stop_text_is_held_back_until_it_is_none(tiny):
    ids = tiny.tokenizer.convert_tokens_to_ids([f"<0x{ord(letter):02X}>" for letter in "ab-c"])
    assert list(decode_stream(ids, tiny.tokenizer, ("b-!",))) == ["a", "b-c"]
    assert list(decode_stream(ids[:3], tiny.tokenizer, ("b-!",))) == ["a", "b-"]


def test_no_token_is_asked_for_after_a_stop_text(tiny):
    asked = []

    def tokens():
        for token in tiny.tokenizer("one two three", add_special_tokens=False)["input_ids"]:
            asked.append(token)
            yield token

    assert "".join(decode_stream(tokens(), tiny.tokenizer, ("two",))) == "one"
    assert 0 < len(asked) < len(tiny.tokenizer("one two three", add_special_tokens=False)["input_ids"])


def test_the_first_of_several_stop_texts_counts():
    assert cut_at_stop("a b c", ("c", "b")) == ("a", True)
    assert cut_at_stop("a b c", ()) == ("a b c", False)

"""The course's widgets in one place: buttons and sliders wired to functions that already exist.

Each has a room of its own (`widgets_tiling`, `widgets_stepper`, …); `Interactive` is what they all are.
"""

from __future__ import annotations

from course_lib.widgets_base import Interactive
from course_lib.widgets_chat import ChatBox, chat_box
from course_lib.widgets_sampling import SamplingExplorer, sampling_explorer
from course_lib.widgets_stepper import ShuffleStepper, space_to_depth_stepper
from course_lib.widgets_tiling import TilingExplorer, tiling_explorer
from course_lib.widgets_tokens import PromptViewer, prompt_viewer
from course_lib.widgets_vote import BlindVote, VoteItem, blind_vote, vote_items

__all__ = [
    "BlindVote", "ChatBox", "Interactive", "PromptViewer", "SamplingExplorer", "ShuffleStepper", "TilingExplorer",
    "VoteItem", "blind_vote", "chat_box", "prompt_viewer", "sampling_explorer", "space_to_depth_stepper",
    "tiling_explorer", "vote_items",
]  # fmt: skip

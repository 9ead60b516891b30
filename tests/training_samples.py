"""A few records and a quick recipe for tests that train."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from course_lib.recipes import Recipe

QUICK = Recipe("quick", quantization="nf4", lora_rank=8, lora_alpha=16, lora_dropout=0.1, max_length=400, epochs=2,
               batch_size=4, accumulation=1, learning_rate=1e-2, eval_every=3, save_every=2)
COLOURS = {"红色": (220, 40, 40), "绿色": (40, 200, 60), "蓝色": (40, 60, 220)}


def write_colours(folder: Path, pictures: int = 10, texts: int = 2) -> Path:
    """A CLoT file: pictures of three colours, one or five tiles large, and records without a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = []
    for number, colour in enumerate(([*COLOURS] * pictures)[:pictures]):
        Image.new("RGB", (112, 112) if number % 5 == 0 else (56, 56), COLOURS[colour]).save(folder / f"{number}.png")
        raw.append({"image": f"{number}.png", "conversations": turns("<image>\n什么颜色", colour)})
    raw += [{"conversations": turns("你好", f"您好{'，朋友' * number}")} for number in range(texts)]
    file = folder / "colours.json"
    file.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    return file


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def losses(run) -> list[tuple[int, float]]:
    """(step, loss) of each line of a run's metrics, held-out losses among them."""
    return [(line["step"], line.get("loss", line.get("eval_loss"))) for line in run.metrics]

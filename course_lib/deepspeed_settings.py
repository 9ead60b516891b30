"""DeepSpeed ZeRO in the few settings that matter here: what each stage spreads over the processes."""

from __future__ import annotations

from typing import Any

STAGES = {
    "zero1": 1,  # AdamW's moments (and the float32 copies they belong to)
    "zero2": 2,  # and the gradients
    "zero3": 3,  # and the weights, frozen ones too: for models that one GPU cannot hold
}


def deepspeed_config(name: str, *, on_cpu: bool, quantization: str | None) -> dict[str, Any]:
    """DeepSpeed's configuration for "zero1", "zero2" or "zero3" (arXiv 1910.02054); "auto" is taken from the recipe.

    Raises ValueError for another name, and for ZeRO-3 with NF4 weights, which it would cut through their blocks.
    """
    if name not in STAGES:
        raise ValueError(f"no DeepSpeed setting {name!r}: there are {', '.join(STAGES)}")
    stage = STAGES[name]
    if stage == 3 and quantization is not None:
        raise ValueError(f"zero3 spreads the weights over processes, and {quantization} weights cannot be spread: "
                         "use zero2, or quantization=none")
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": not on_cpu, "contiguous_gradients": True}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True  # the adapter is saved whole
    return {
        "zero_optimization": zero,
        # The optimizer is torch's AdamW wherever it runs: the same numbers with and without DeepSpeed.
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "wall_clock_breakdown": False,
    }

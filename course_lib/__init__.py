"""The library of the InternVL2 course kit: picture -> tiles -> visual tokens -> prompt -> answer -> training -> proof."""

import logging

# Whoever imports bitsandbytes on a processor with AVX512-BF16, it logs there that an optional package for speed is absent.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

"""The library of the InternVL2 course kit: picture -> tiles -> visual tokens -> prompt -> answer -> training -> proof."""

"""All targets by name, in the order in which bytes come to them."""

from __future__ import annotations

import fuzz_files
import fuzz_intake
import fuzz_kept
import fuzz_signed
import fuzz_web
import fuzz_words
from fuzzing import Target

ALL: dict[str, Target] = {
    target.name: target
    for part in (fuzz_intake, fuzz_files, fuzz_words, fuzz_signed, fuzz_kept, fuzz_web)
    for target in part.TARGETS
}

"""Whether data are good: findings on images, boxes, pairs and labels, and a mended copy.

Not to be confused with `data/check.py`, which refuses what breaks the format. Kinds and rules: docs/check.md.
"""

from hoitool.data.quality.checking import Report, Rules, check
from hoitool.data.quality.files import Files, look_at_files
from hoitool.data.quality.finding import KINDS, SEVERITIES, Findings
from hoitool.data.quality.mending import fix
from hoitool.data.quality.published import PUBLISHED

__all__ = ["KINDS", "PUBLISHED", "SEVERITIES", "Files", "Findings", "Report", "Rules", "check", "fix", "look_at_files"]

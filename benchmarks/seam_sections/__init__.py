"""What single seams cost, a module each; `seams.py` prints them."""

from seam_sections.checkpoints import checkpoint_resume_equal
from seam_sections.int8_error import error_int8_share_of_time
from seam_sections.resident import worker_resident_mb

__all__ = ["checkpoint_resume_equal", "error_int8_share_of_time", "worker_resident_mb"]

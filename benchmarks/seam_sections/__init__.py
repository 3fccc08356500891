"""What single seams cost, a module each; `seams.py` prints them."""

from seam_sections.int8_error import error_int8_share_of_time

__all__ = ["error_int8_share_of_time"]

"""Pixels: decode, redact, and propose what to redact. numpy and imagecodecs are imported when first needed.

The cleaning of headers never imports them: the browser loads both only when a frame has to be decoded, and a
command line without the extra ``dicomveil[pixels]`` still redacts native and JPEG baseline pixels.
"""

"""dicomveil: makes DICOM files safe to share before they leave the user's computer.

The pipeline is one sentence: open -> inspect -> plan -> clean -> redact -> verify -> report
(``reading``, ``inspecting``, ``planning``, ``cleaning``, ``redacting``, ``verifying``, ``reporting``).
"""

__version__ = "0.1.0"

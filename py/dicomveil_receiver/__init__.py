"""dicomveil_receiver: the receiving endpoint for cleaned DICOM instances (extra ``dicomveil[receiver]``).

One request reads as: authorize -> read parts -> spool -> verify -> keep -> answer
(``tokens``, ``parts``, ``store``, ``dicomveil.verifying``, ``stow``). Nothing of what is refused is kept.
"""

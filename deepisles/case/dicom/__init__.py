"""DICOM as hospitals have it: DWI, ADC and FLAIR picked from series by rules on tags; dcm2niix converts."""

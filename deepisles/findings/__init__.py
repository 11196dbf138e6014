"""What a lesion mask means: lesions, volumes, numbers per lesion."""

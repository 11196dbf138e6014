"""The three published algorithms, each behind one small protocol."""

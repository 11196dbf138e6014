"""What a case costs, measured."""

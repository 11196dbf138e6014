"""From the members' answers to one mask: voting rules and agreement."""

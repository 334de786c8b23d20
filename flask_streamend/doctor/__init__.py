"""What users get wrong, looked at: each check says what it found, and the cure."""

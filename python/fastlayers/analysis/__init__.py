"""Analysis: numpy over file tables. Imported when asked for: numpy is heavier than all the rest."""

"""The pictures of the report, one file a subject: each states its finding as its title and says what it shows."""

"""What the pages show, read in a few statements each.

Every function that reads a household's data takes the id of the participant who is signed in, and every statement in
it filters by that id: one household can never be shown another's.
"""

"""The page: endpoints over the functions that the menus use, and its front end."""

"""What a browser calls itself, in words a person knows."""

# In this order: many say that they are others, too.
BROWSERS = (
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("HeadlessChrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
MACHINES = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "Chromebook"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """Browser and machine of a User-Agent, such as `Firefox, Android`; empty if it tells neither."""
    found = (next((name for mark, name in known if mark in user_agent), "") for known in (BROWSERS, MACHINES))
    return ", ".join(name for name in found if name)

"""Networks in other forms: a page that evaluates them in a browser, and files for other programs."""

"""The market: orders, auction, welfare model, prices and certificates."""

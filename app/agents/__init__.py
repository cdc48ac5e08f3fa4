"""Forecasts and standing preferences become orders."""

"""The physical network: feeders, power flow, sensitivities and limits."""

"""Shared verification library: building and running simulations, bus agents, scoreboards."""

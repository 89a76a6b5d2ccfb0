"""Reads a network as JAX sees it: the operations, and what each does with which parameter."""

from jaxcomp.tracing.chain import NotAChainError
from jaxcomp.tracing.network import Network, Parameter
from jaxcomp.tracing.trace import trace

__all__ = ["Network", "NotAChainError", "Parameter", "trace"]

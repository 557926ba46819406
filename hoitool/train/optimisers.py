"""Optimisers by name, over groups of parameters that share a factor of the learning rate and a weight decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from hoitool.errors import UsageError
from hoitool.train.plan import Plan

Parameters = dict[str, torch.nn.Parameter]


def optimiser_of(module: torch.nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimiser over what `module` trains; parameters of a group with factor 0 stop needing gradients.

    Raises UsageError for a group that no parameter belongs to and where nothing is left to train.
    """
    groups = [
        {"params": list(members.values()), "factor": factor, "weight_decay": decay}
        for (factor, decay), members in _grouped(module, plan).items()
    ]
    if not groups:
        raise UsageError("no parameter is left to train; every one is frozen or in a group with factor 0")
    return OPTIMISERS[plan.optimiser](groups, plan)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its factor of `rate`."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def drop_frozen(module: torch.nn.Module, plan: Plan, epoch: float) -> None:
    """Drop the gradients of parameters that stay at a fractional epoch: no step, moment or norm has them."""
    stay = tuple(prefix for prefix, epochs in plan.frozen.items() if epoch < epochs)
    if stay:
        for name, parameter in module.named_parameters():
            if name.startswith(stay):
                parameter.grad = None


def _grouped(module: torch.nn.Module, plan: Plan) -> dict[tuple[float, float], Parameters]:
    """(factor of lr, weight decay) -> the parameters by name, in the module's order."""
    found: dict[tuple[float, float], Parameters] = {}
    used = set()
    told = [*plan.groups, *plan.frozen]
    for name, parameter in module.named_parameters():
        prefix = max((p for p in plan.groups if name.startswith(p)), key=len, default=None)
        used |= {p for p in told if name.startswith(p)}
        factor = 1.0 if prefix is None else plan.groups[prefix]
        if factor == 0:
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            decay = plan.weight_decay if plan.decay_vectors or parameter.ndim > 1 else 0.0
            found.setdefault((factor, decay), {})[name] = parameter
    if unused := [p for p in told if p not in used]:
        first = sorted({name.partition(".")[0] for name, _ in module.named_parameters()})
        where, begin = "groups" if unused[0] in plan.groups else "frozen", ", ".join(first)
        raise UsageError(f"{where}: no parameter begins with {unused[0]!r}; they begin with {begin}")
    return found


def _adamw(groups: Iterable[dict[str, Any]], plan: Plan) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=plan.lr, betas=plan.betas)


def _sgd(groups: Iterable[dict[str, Any]], plan: Plan) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov)


OPTIMISERS: dict[str, Callable[[Iterable[dict[str, Any]], Plan], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "sgd": _sgd,
}

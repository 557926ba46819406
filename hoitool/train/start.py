def load_checkpoint(module, model, path, strict=True):
    from hoitool.models import MODELS
    from hoitool.models.weights import load

    return load(module, path, MODELS[model].CHECKPOINTS, strict)

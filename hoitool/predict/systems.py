"""How a trained model predicts, by the name of the model that its card says."""

from __future__ import annotations

from hoitool.lookup import Lookup

# name -> module with predict_for(model, path, sources, asked, say) -> Made (hoitool/predict/whole.py)
PREDICTORS = Lookup(
    "model that predicts",
    {
        "defr": "hoitool.predict.whole",
        "defr-detection": "hoitool.predict.whole",
        "vse": "hoitool.predict.vse",
        "vild": "hoitool.predict.vild.whole",
    },
)

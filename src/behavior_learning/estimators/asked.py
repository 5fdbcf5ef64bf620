"""What can be asked of a fitted estimator: each answer loads when it is first asked for, since a fit needs none."""

from typing import TYPE_CHECKING

from behavior_learning.first_use import on_first_use

if TYPE_CHECKING:
    from behavior_learning.decision.counterfactual import counterfactual_of
    from behavior_learning.decision.problem import problem_of
    from behavior_learning.decision.summary import scenario_tables
    from behavior_learning.estimators.kept_refits import kept_refits
    from behavior_learning.learned.effects import Errors, effects_of
    from behavior_learning.learned.explain import contributions_of, explain_model, simplify_model
    from behavior_learning.learned.inference import infer_problem
    from behavior_learning.learned.polish import polished
    from behavior_learning.learned.prune import pruned, pruning_path
    from behavior_learning.learned.score_tests import suggest_terms
    from behavior_learning.learned.stability import measure_stability
    from behavior_learning.learned.streaming import effects_over, infer_rows, predict_to
    from behavior_learning.learned.violations import violations_of
    from behavior_learning.report.page import write_report

__all__ = [
    "Errors",
    "contributions_of",
    "counterfactual_of",
    "effects_of",
    "effects_over",
    "explain_model",
    "infer_problem",
    "infer_rows",
    "kept_refits",
    "measure_stability",
    "polished",
    "predict_to",
    "problem_of",
    "pruned",
    "pruning_path",
    "scenario_tables",
    "simplify_model",
    "suggest_terms",
    "violations_of",
    "write_report",
]

__getattr__ = on_first_use(
    "behavior_learning",
    {
        "decision.counterfactual": ("counterfactual_of",),
        "decision.problem": ("problem_of",),
        "decision.summary": ("scenario_tables",),
        "estimators.kept_refits": ("kept_refits",),
        "learned.effects": ("Errors", "effects_of"),
        "learned.explain": ("contributions_of", "explain_model", "simplify_model"),
        "learned.inference": ("infer_problem",),
        "learned.polish": ("polished",),
        "learned.prune": ("pruned", "pruning_path"),
        "learned.score_tests": ("suggest_terms",),
        "learned.stability": ("measure_stability",),
        "learned.streaming": ("effects_over", "infer_rows", "predict_to"),
        "learned.violations": ("violations_of",),
        "report.page": ("write_report",),
    },
)

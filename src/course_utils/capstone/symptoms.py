"""The table of symptoms: which practice each belongs to, and what looks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from course_utils.capstone import data_symptoms as data
from course_utils.capstone import evaluation_symptoms as evaluation
from course_utils.capstone import model_symptoms as model
from course_utils.capstone import training_symptoms as training
from course_utils.capstone.repairs import REPAIRS
from course_utils.capstone.runs import Runs
from course_utils.checks.finding import Finding


@dataclass(frozen=True)
class Symptom:
    """What one bad practice does to the script.

    Attributes:
        practice: Practice id; the learner is to find it.
        part: ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"``.
        check: Looks for the symptom in the script's runs.
    """

    practice: str
    part: str
    check: Callable[[Runs], Finding]

    @property
    def hints(self) -> tuple[str, ...]:
        """Three hints, from a nudge to nearly the repair."""
        return REPAIRS[self.practice].hints


SYMPTOMS = (
    Symptom("1.2", "data", data.split_is_fixed),
    Symptom("12.5", "data", data.digits_stay_intact),
    Symptom("13.4", "data", data.loads_fast),
    Symptom("2.3", "model", model.predictions_survive_loading),
    Symptom("3.1", "model", model.hyperparameters_are_restored),
    Symptom("7.4", "model", model.memory_stays_level),
    Symptom("4.2", "model", training.metric_names_are_distinct),
    Symptom("3.3", "training", model.lr_sets_learning_rate),
    Symptom("4.4", "training", training.schedule_follows_updates),
    Symptom("5.1", "training", training.seed_fixes_weights),
    Symptom("8.1", "training", training.gradient_norm_is_bounded),
    Symptom("9.1", "training", training.keeps_best_and_newest),
    Symptom("9.2", "training", training.resumes_exactly),
    Symptom("0.1", "evaluation", evaluation.evaluates_in_eval_mode),
    Symptom("12.4", "evaluation", evaluation.weights_images_equally),
    Symptom("10.1", "evaluation", evaluation.reports_test_accuracy),
)

"""The table of symptoms: which practice each belongs to, and who looks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from course_utils.capstone import data_symptoms as data
from course_utils.capstone import evaluation_symptoms as evaluation
from course_utils.capstone import model_symptoms as model
from course_utils.capstone import training_symptoms as training
from course_utils.capstone.hints import HINTS
from course_utils.capstone.runs import Runs
from course_utils.checks.finding import Finding


@dataclass(frozen=True)
class Symptom:
    """What one bad practice does to the script.

    Attributes:
        practice: Practice id; the learner is to find it.
        round: ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"``.
        ask: Looks for the symptom in the script's runs.
    """

    practice: str
    round: str
    ask: Callable[[Runs], Finding]

    @property
    def hints(self) -> tuple[str, str, str]:
        """From a nudge to nearly the repair."""
        return HINTS[self.practice]


SYMPTOMS = (
    Symptom("1.2", "data", data.split_once),
    Symptom("12.5", "data", data.digits_stay_whole),
    Symptom("13.4", "data", data.loads_fast),
    Symptom("2.3", "model", model.file_is_complete),
    Symptom("3.1", "model", model.settings_come_back),
    Symptom("7.4", "model", model.holds_nothing),
    Symptom("4.2", "model", training.names_are_distinct),
    Symptom("3.3", "training", model.obeys_the_rate),
    Symptom("4.4", "training", training.rates_rise_and_fall),
    Symptom("5.1", "training", training.seed_decides),
    Symptom("8.1", "training", training.norm_is_bounded),
    Symptom("9.1", "training", training.keeps_best_and_newest),
    Symptom("9.2", "training", training.goes_on),
    Symptom("0.1", "evaluation", evaluation.measures_in_eval_mode),
    Symptom("12.4", "evaluation", evaluation.counts_images),
    Symptom("10.1", "evaluation", evaluation.tests_once),
)

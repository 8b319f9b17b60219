"""The image and the container name files, packages and commands that exist.

They are read, not built: that takes Docker, a network and gigabytes.
"""

import json
import re
from pathlib import Path

import pytest

from course_utils.authoring.requirements import PROJECT

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".devcontainer"
TEXT = (FOLDER / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
LINES = [line.split() for line in TEXT.splitlines() if line and line[0] != "#"]
CONTAINER = json.loads((FOLDER / "devcontainer.json").read_text("utf-8"))
HOME = "/home/learner/course"
TEACHING = "src/course_utils/authoring/classroom/index.md"


def arguments(instruction):
    return [" ".join(words) for first, *words in LINES if first == instruction]


def test_every_line_is_an_instruction():
    known = "FROM ARG RUN WORKDIR COPY USER ENV EXPOSE CMD"
    assert {line[0] for line in LINES} <= {*known.split()}
    assert LINES[0][0] == "FROM"


def test_its_python_is_one_that_the_package_supports():
    minor = re.fullmatch(r"python:(\d\.\d+)-slim", arguments("FROM")[0])[1]
    assert f"Programming Language :: Python :: {minor}" in PROJECT["classifiers"]


def test_it_installs_the_course_from_its_pins():
    [install] = [run for run in arguments("RUN") if "pip install" in run]
    constraints = re.search(r"-c (\S+)", install)[1]
    extras = re.search(r'-e "\.\[(.+)\]"', install)[1].split(",")
    assert (ROOT / constraints).is_file()
    assert {*extras} <= {*PROJECT["optional-dependencies"]}
    assert arguments("COPY") == ["--chown=learner . ."]


def test_the_user_is_made_before_files_are_given_to_it():
    places = [" ".join(line) for line in LINES]
    made = next(i for i, line in enumerate(places) if "useradd" in line)
    assert places[made].split()[-1] == CONTAINER["remoteUser"]
    assert (
        made < places.index("COPY --chown=learner . .") < places.index("USER learner")
    )


def test_it_starts_jupyterlab_in_the_learners_copy_at_a_page_that_is_there():
    command = json.loads(arguments("CMD")[0])
    assert command[:5] == ["course", "lab", "--", "jupyter", "lab"]
    page = command[-1].removeprefix("--LabApp.default_url=/lab/tree/")
    assert (ROOT / page).is_file()
    assert f"--port={arguments('EXPOSE')[0]}" in command
    assert CONTAINER["forwardPorts"] == [int(arguments("EXPOSE")[0])]


def test_its_settings_are_those_of_course_lab():
    [setting] = arguments("ENV")
    folder = setting.removeprefix(f"JUPYTER_CONFIG_PATH={HOME}/")
    assert arguments("WORKDIR") == [HOME]
    assert (ROOT / folder / "jupyter_server_config.json").is_file()


def test_the_container_is_built_from_the_image_with_the_whole_course():
    build = CONTAINER["build"]
    assert (FOLDER / build["dockerfile"]).is_file()
    assert (FOLDER / build["context"]).resolve() == ROOT
    for page in CONTAINER["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / page).is_file()


def test_assistants_are_off_where_the_teaching_page_says_so():
    settings = CONTAINER["customizations"]["vscode"]["settings"]
    said = (ROOT / TEACHING).read_text("utf-8")
    assert settings["chat.disableAIFeatures"] is True
    assert '`"chat.disableAIFeatures": true`; the course\'s container sets it' in said


@pytest.mark.parametrize("name", [".git", ".venv", ".venv-oldest", "build"])
def test_what_is_large_or_private_stays_out_of_the_image(name):
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert name in ignored


def test_the_teaching_page_names_arguments_files_and_pages_that_are_there():
    said = (ROOT / TEACHING).read_text("utf-8")
    declared = {each.partition("=")[0] for each in arguments("ARG")}
    assert {*re.findall(r"--build-arg (\w+)=", said)} == declared
    assert "-f .devcontainer/Dockerfile" in said
    [link] = re.findall(r"https://HUB/\S+", said)
    page = re.search(r"urlpath=lab%2Ftree%2FREPOSITORY%2F(\S+)", link)[1]
    assert (ROOT / page.replace("%2F", "/")).is_file()

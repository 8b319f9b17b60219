from pathlib import Path

import pytest

from course_utils import settings


def test_the_seed_is_zero_by_default(monkeypatch):
    monkeypatch.delenv("COURSE_SEED", raising=False)
    assert settings.seed() == 0


@pytest.mark.parametrize("text", ["7", "0", "4294967295"])
def test_the_environment_chooses_the_seed(monkeypatch, text):
    monkeypatch.setenv("COURSE_SEED", text)
    assert settings.seed() == int(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "", "4294967296", "²"])
def test_an_invalid_seed_is_refused_with_the_remedy(monkeypatch, text):
    monkeypatch.setenv("COURSE_SEED", text)
    with pytest.raises(ValueError, match="whole number from 0 to 4294967295") as error:
        settings.seed()
    assert f"but got {text!r}; unset it to use 0." in str(error.value)


def test_no_evidence_is_kept_unless_a_file_is_named(monkeypatch):
    monkeypatch.delenv("COURSE_EVIDENCE", raising=False)
    assert settings.evidence_file() is None
    monkeypatch.setenv("COURSE_EVIDENCE", "")
    assert settings.evidence_file() is None
    monkeypatch.setenv("COURSE_EVIDENCE", "some/file.jsonl")
    assert settings.evidence_file() == Path("some", "file.jsonl")


def test_all_images_are_used_only_on_request(monkeypatch):
    monkeypatch.delenv("COURSE_IMAGES", raising=False)
    assert not settings.all_images()
    monkeypatch.setenv("COURSE_IMAGES", "")
    assert not settings.all_images()
    monkeypatch.setenv("COURSE_IMAGES", "all")
    assert settings.all_images()
    monkeypatch.setenv("COURSE_IMAGES", "60000")
    with pytest.raises(ValueError, match="COURSE_IMAGES to be 'all' or unset but got"):
        settings.all_images()


def test_a_gpu_is_left_alone_only_on_request(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    assert not settings.cpu_only()
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert settings.cpu_only()
    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    with pytest.raises(ValueError, match="COURSE_DEVICE to be 'cpu' or unset but got"):
        settings.cpu_only()


def test_kernels_start_as_the_environment_says(monkeypatch):
    monkeypatch.delenv("COURSE_KERNEL", raising=False)
    assert settings.kernel() == settings.DEFAULT_KERNEL
    assert settings.kernel({"COURSE_KERNEL": "ordinary"}) == "ordinary"
    monkeypatch.setenv("COURSE_KERNEL", "ready")
    assert settings.kernel() == "ready"
    assert settings.kernel({"COURSE_KERNEL": "ready"}) == "ready"
    with pytest.raises(ValueError, match="'ready' or 'ordinary' or unset but got 'x'"):
        settings.kernel({"COURSE_KERNEL": "x"})

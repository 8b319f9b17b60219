"""The classes of a project: what each is, and which methods it has and inherits."""

import ast
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course_utils.own_code.source import Source
from course_utils.own_code.syntax import dotted

Function = ast.FunctionDef | ast.AsyncFunctionDef
# The last part of a base class's name, and what a class is that has it.
ROOTS = {
    "LightningModule": "module",
    "LightningDataModule": "data module",
    "Callback": "callback",
    "Module": "network",
    "Dataset": "dataset",
}
# What a class is by its methods, if its base is not to be seen.
_SHAPES = {"training_step": "module", "train_dataloader": "data module"}
# With one of these of its own, a module is saved or loaded in its own way.
OWN_FILES = ("save", "load", "load_from_checkpoint")
_HARMLESS = {"object", "ABC", "Generic", "Protocol"}


@dataclass(frozen=True)
class Class:
    """A class of the project.

    Attributes:
        source: Where it stands.
        node: Its definition.
        project: The project, to look up its bases.
    """

    source: Source
    node: ast.ClassDef
    project: "Project"

    @functools.cached_property
    def methods(self) -> dict[str, Function]:
        """Methods that it defines itself."""
        body = self.node.body
        return {n.name: n for n in body if isinstance(n, Function)}

    @functools.cached_property
    def lineage(self) -> tuple["Class", ...]:
        """The class and its ancestors in the project, nearest first."""
        found = [self]
        for each in found:  # grows on the way; each class once, for names mislead
            parents = (
                self.project.find(dotted(base), each.source) for base in each.node.bases
            )
            found += [p for p in dict.fromkeys(parents) if p and p not in found]
        return tuple(found)

    @functools.cached_property
    def family(self) -> tuple["Class", ...]:
        """Its lineage, and all classes of the project that inherit from it."""
        heirs = [each for each in self.project.classes if self in each.lineage[1:]]
        return (*self.lineage, *heirs)

    def _bases(self) -> Iterator[str]:
        for each in self.lineage:
            for base in each.node.bases:
                name = dotted(base.value if isinstance(base, ast.Subscript) else base)
                if self.project.find(name, each.source) is None:
                    yield name.split(".")[-1] if name else "?"

    @functools.cached_property
    def complete(self) -> bool:
        """Whether all its bases are to be seen, up to Lightning's and torch's own."""
        return {*self._bases()} <= {*ROOTS, *_HARMLESS}

    @functools.cached_property
    def kind(self) -> str:
        """One of the values of `ROOTS`; ``""`` if it is none of them."""
        kinds = [ROOTS[name] for name in self._bases() if name in ROOTS]
        shaped = [kind for name, kind in _SHAPES.items() if self.method(name)]
        return next(iter([*kinds, *shaped]), "")

    def method(self, name: str) -> Function | None:
        """Return the method that a call finds, its own or an ancestor's."""
        found = (each.methods.get(name) for each in self.lineage)
        return next((each for each in found if each), None)

    def all_methods(self) -> Iterator[Function]:
        """Yield the methods of the class and of its ancestors."""
        for each in self.lineage:
            yield from each.methods.values()

    def constant(self, name: str) -> ast.expr | None:
        """Return the value of a class attribute, ``None`` without one."""
        for each in self.lineage:
            for node in each.node.body:
                targets = node.targets if isinstance(node, ast.Assign) else ()
                if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                    return node.value  # type: ignore[union-attr]
        return None


class Project:
    """All sources that belong together.

    Attributes:
        sources: Those that are examined.
        classes: Of these, and of those beside them that are only looked up.
    """

    def __init__(
        self, sources: Sequence[Source], beside: Sequence[Source] = ()
    ) -> None:
        """Collect the classes of ``sources``, and of those ``beside`` them."""
        self.sources = tuple(sources)
        self.classes = [
            Class(source, node, self)
            for source in (*sources, *beside)
            for node in source.nodes
            if isinstance(node, ast.ClassDef)
        ]
        self._by_name: dict[str, list[Class]] = {}
        for each in self.classes:
            self._by_name.setdefault(each.node.name, []).append(each)

    def of(self, source: Source, *kinds: str) -> list[Class]:
        """Return the classes of a source that are of these kinds."""
        own = (each for each in self.classes if each.source is source)
        return [each for each in own if each.kind in kinds]

    def find(self, name: str, source: Source) -> Class | None:
        """Return the class that ``name`` means in ``source``, if it is to be seen.

        One of the same file comes first; else the only one of that name, where the
        name is imported.
        """
        last = name.split(".")[-1]
        candidates = self._by_name.get(last, [])
        own = [each for each in candidates if each.source is source]
        if own and "." not in name:
            return own[-1]
        imported = name.split(".")[0] in source.imports
        outside = source.imports.get(name.split(".")[0], "").split(".")[0]
        if not imported or outside in ("torch", "lightning", "pytorch_lightning"):
            return None
        if len(candidates) == 1:
            return candidates[0]
        module = source.imports[name.split(".")[0]].split(".")[-2:-1]
        there = [each for each in candidates if [each.source.path.stem] == module]
        return there[0] if len(there) == 1 else None

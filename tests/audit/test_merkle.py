from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.audit.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from monitor.core.audit.proofs import (
    consistency_proof,
    inclusion_proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)

relaxed = settings(deadline=None, max_examples=60)

# The leaves and roots of the Certificate Transparency reference implementation's tests.
CT_INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_LEAVES = [leaf_hash(bytes.fromhex(text)) for text in CT_INPUTS]


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(count)]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_certificate_transparency_vectors(size: int) -> None:
    assert Frontier().extend(CT_LEAVES[:size]).root.hex() == CT_ROOTS[size - 1]


def test_an_inclusion_proof_equals_the_certificate_transparency_vector() -> None:
    assert [step.hex() for step in inclusion_proof(CT_LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def recursive_root(hashes: list[bytes]) -> bytes:
    """The definition in RFC 6962, 2.1, word for word."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(recursive_root(hashes[:k]), recursive_root(hashes[k:]))


@relaxed
@given(st.integers(1, 200))
def test_appending_gives_the_root_of_the_definition(size: int) -> None:
    frontier = Frontier().extend(leaves(size))
    assert frontier.root == recursive_root(leaves(size))
    assert Frontier.unpack(size, frontier.pack()) == frontier
    assert len(frontier.peaks) == size.bit_count()


@relaxed
@given(st.integers(0, 100))
def test_ranges_cover_every_entry_once_and_name_the_subtree_of_their_peak(size: int) -> None:
    frontier = Frontier().extend(leaves(size))
    covered = [i for start, stop in frontier.ranges() for i in range(start, stop)]
    assert covered == list(range(size))
    for peak, (start, stop) in zip(frontier.peaks, frontier.ranges(), strict=True):
        assert recursive_root(leaves(size)[start:stop]) == peak


@pytest.mark.parametrize(("size", "packed"), [(3, b"x" * 32), (0, b"x" * 32), (-1, b""), (1, b"x" * 31)])
def test_peaks_that_cannot_belong_to_a_size_are_refused(size: int, packed: bytes) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier.unpack(size, packed)


def test_every_inclusion_proof_up_to_40_entries_verifies_and_no_other_entry_does() -> None:
    for size in range(1, 41):
        all_leaves, root = leaves(size), root_of(leaves(size))
        for index in range(size):
            proof = inclusion_proof(all_leaves, index)
            assert verify_inclusion(all_leaves[index], index, size, proof, root)
            assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
            assert not verify_inclusion(all_leaves[index], index, size, [*proof, root], root)
            if size > 1:
                assert not verify_inclusion(all_leaves[index], (index + 1) % size, size, proof, root)
                assert not verify_inclusion(all_leaves[index], index, size, proof[:-1], root)


def test_every_consistency_proof_up_to_40_entries_verifies_and_a_changed_past_does_not() -> None:
    for size in range(1, 41):
        all_leaves, root = leaves(size), root_of(leaves(size))
        for old in range(size + 1):
            proof, old_root = consistency_proof(all_leaves, old), root_of(all_leaves[:old])
            assert verify_consistency(old, size, old_root, root, proof)
            if old:
                changed = root_of([leaf_hash(b"forged"), *all_leaves[1:old]])
                assert not verify_consistency(old, size, changed, root, proof)
            assert not verify_consistency(old, size, old_root, root, [*proof, root])
            if proof:
                assert not verify_consistency(old, size, old_root, root, proof[:-1])


@relaxed
@given(st.integers(1, 60), st.data())
def test_a_corrupted_proof_never_verifies(size: int, data: st.DataObject) -> None:
    all_leaves, root = leaves(size), root_of(leaves(size))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(all_leaves, index)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        assert not verify_inclusion(all_leaves[index], index, size, proof, root)


def test_proofs_outside_the_tree_are_refused() -> None:
    with pytest.raises(IndexError, match="entry 3"):
        inclusion_proof(leaves(3), 3)
    with pytest.raises(IndexError, match="never had 4"):
        consistency_proof(leaves(3), 4)
    assert not verify_inclusion(leaves(1)[0], 1, 1, [], leaves(1)[0])
    assert not verify_consistency(2, 1, leaves(1)[0], leaves(1)[0], [])

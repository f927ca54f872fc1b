"""SevenNet for torch-sim, with one graph for all crystals of a call. Needs torch-sim."""

import sevenn._keys as key
import torch
from sevenn.atom_graph_data import AtomGraphData
from sevenn.torchsim import SevenNetModel
from torch_sim.elastic import voigt_6_to_full_3x3_stress
from torch_sim.state import SimState


class WholeGraphModel(SevenNetModel):
    """A SevenNet model in torch-sim.

    :class:`SevenNetModel` makes a graph for each crystal, among the edges of all crystals, and joins the graphs: some
    twenty small operations, and waiting for the GPU, for each crystal. Here the edges of all crystals are one graph.
    """

    def forward(self, state: SimState, **_) -> dict[str, torch.Tensor]:
        """Compute crystals.

        Args:
            state: Crystals in single precision, with right-handed cells.

        Returns:
            ``energy`` (n,), eV; ``forces`` (n_atoms, 3), eV/angstrom; ``stress`` (n, 3, 3), eV/angstrom^3.
        """
        cells, positions = state.row_vector_cell, state.positions
        edges, crystals, shifts = self.neighbor_list_fn(positions, cells, state.pbc, self.cutoff, state.system_idx)
        across = (shifts[:, None] @ cells[crystals])[:, 0]
        graph = {
            key.NODE_FEATURE: state.atomic_numbers,
            key.ATOMIC_NUMBERS: state.atomic_numbers,
            key.POS: positions,
            key.EDGE_IDX: edges,
            key.EDGE_VEC: positions[edges[1]] - positions[edges[0]] + across,
            key.CELL_VOLUME: torch.linalg.det(cells),
            key.NUM_ATOMS: state.n_atoms_per_system,
            key.BATCH: state.system_idx,
            key.DATA_MODALITY: [self.modal] * state.n_systems,
        }
        output = self.model(AtomGraphData(**graph))
        # SevenNet orders xx, yy, zz, xy, yz, zx, with the sign of the pressure.
        stress = -voigt_6_to_full_3x3_stress(output[key.PRED_STRESS][:, [0, 1, 2, 4, 5, 3]])
        results = {"energy": output[key.PRED_TOTAL_ENERGY], "forces": output[key.PRED_FORCE], "stress": stress}
        return {name: result.detach() for name, result in results.items()}

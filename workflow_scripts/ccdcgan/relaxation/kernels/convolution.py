"""The convolution of SevenNet on a processor.

A convolution of SevenNet (Park et al., J. Chem. Theory Comput. 20, 4857 (2024)) multiplies the features of a
neighbour with the spherical harmonics of the edge, path by path: m_u = w_u C(x_u, Y), where C are the Clebsch-Gordan
coefficients and u counts the channels. SevenNet offers faster kernels for GPUs only. The general code of e3nn forms the
outer product of x_u and Y for every channel. Here C and Y are contracted first, to one small matrix for each edge that
is the same for all channels, and channels are the last axis, so that everything else is a product of matrices or runs
over contiguous numbers. The results differ by rounding only.
"""

from collections import defaultdict

import torch
from e3nn.o3 import TensorProduct, wigner_3j
from sevenn.nn.convolution import IrrepsConvolution
from torch import nn


class EdgeConvolution(nn.Module):
    """A convolution with the weights of one of SevenNet.

    Args:
        original: Convolution for which :func:`is_supported` is true.
    """

    def __init__(self, original: IrrepsConvolution) -> None:
        super().__init__()
        product = original.convolution
        self.weight_nn, self.denominator = original.weight_nn, original.denominator
        self.keys = (original.key_x, original.key_filter, original.key_weight_input, original.key_edge_idx)
        self.channels = [(multiple.mul, multiple.ir.dim) for multiple in product.irreps_in1]
        self.n_outputs = len(product.irreps_out)
        # Path: (number of its weights among all, output, dimension of the output). Weights are in the order of paths.
        self.path_channels = [product.irreps_in1[path.i_in1].mul for path in product.instructions]
        self.paths: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        coefficients = defaultdict(list)
        for number, path in enumerate(product.instructions):
            irreps = product.irreps_in1[path.i_in1].ir, product.irreps_in2[path.i_in2].ir
            result = product.irreps_out[path.i_out].ir
            block = torch.zeros(product.irreps_in2.dim, result.dim, irreps[0].dim)
            block[product.irreps_in2.slices()[path.i_in2]] = path.path_weight * wigner_3j(
                irreps[0].l, irreps[1].l, result.l
            ).permute(1, 2, 0)
            coefficients[path.i_in1].append(block)
            self.paths[path.i_in1].append((number, path.i_out, result.dim))
        for i_in, blocks in coefficients.items():
            self.register_buffer(f"coefficients_{i_in}", torch.cat(blocks, 1).flatten(1), persistent=False)

    def forward(self, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the features of the atoms, (n_atoms, irreps_in1), by the sums of messages, (n_atoms, irreps_out)."""
        x, harmonics, embedding, (target, source) = (data[key] for key in self.keys)
        n_atoms, n_edges = len(x), len(harmonics)
        weights = self.weight_nn(embedding).split(self.path_channels, 1)
        features = x.split([channels * dim for channels, dim in self.channels], 1)
        results: list[torch.Tensor] = [x] * self.n_outputs
        for i_in, paths in self.paths.items():
            channels, dim = self.channels[i_in]
            dims = [dim_out for _, _, dim_out in paths]
            # (n_edges, sum of dims, dim) times (n_edges, dim, channels)
            matrices = (harmonics @ getattr(self, f"coefficients_{i_in}")).view(n_edges, sum(dims), dim)
            channels_last = features[i_in].view(n_atoms, channels, dim).transpose(1, 2).contiguous()
            messages = torch.bmm(matrices, channels_last.index_select(0, source)).split(dims, 1)
            for (number, i_out, dim_out), message in zip(paths, messages, strict=True):
                sums = x.new_zeros(n_atoms, dim_out, channels)
                sums = sums.index_add(0, target, message * weights[number].unsqueeze(1))
                results[i_out] = sums.transpose(1, 2).reshape(n_atoms, channels * dim_out)
        data[self.keys[0]] = torch.cat(results, 1) / self.denominator
        return data


def is_supported(module: nn.Module) -> bool:
    """Return whether a module is a convolution that :class:`EdgeConvolution` can replace."""
    if type(module) is not IrrepsConvolution or module.is_parallel or type(module.convolution) is not TensorProduct:
        return False
    product = module.convolution
    paths = product.instructions
    return (
        all(path.connection_mode == "uvu" and path.has_weight for path in paths)
        and all(multiple.mul == 1 for multiple in product.irreps_in2)
        and sorted(path.i_out for path in paths) == list(range(len(product.irreps_out)))
    )


def replace_convolutions(model: nn.Module) -> int:
    """Replace the convolutions of a SevenNet model where that is possible, and return their number."""
    replaced = {name: module for name, module in model.named_children() if is_supported(module)}
    for name, module in replaced.items():
        setattr(model, name, EdgeConvolution(module).train(module.training))
    return len(replaced)

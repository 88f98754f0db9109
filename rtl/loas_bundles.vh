// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Wires that go the same way through the top, as one vector each.
//
// A bundle is the concatenation of its fields. Who drives it assigns the fields to the vector, who reads it the vector
// to the fields, both by the macro here, so their order stands in one place. Widths are without the fields whose width
// is a parameter.
`ifndef LOAS_BUNDLES_VH
`define LOAS_BUNDLES_VH

// a task, from the scheduler to the lanes; and task_slot, task_out_addr
`define LOAS_TASK_W 307
`define LOAS_TASK_FIELDS {task_a_addr, task_y, task_x, task_a_addr2, task_y2, task_x2, task_state, task_params, \
                          task_masks, task_weights, task_nnz, task_cols, task_slot, task_out_addr}

// what a lane has to know of the layer; and cfg_chunks
`define LOAS_LANE_CFG_W 1077
`define LOAS_LANE_CFG_FIELDS {cfg_chunks, cfg_walk, cfg_branch, cfg_state_stride, cfg_leak, cfg_steps, cfg_index, \
                              cfg_carry_in, cfg_carry_out, cfg_soft, cfg_late, cfg_readout, cfg_drop_once}

// what the output has to know of it
`define LOAS_OUTPUT_CFG_W 114
`define LOAS_OUTPUT_CFG_FIELDS {cfg_m, cfg_entries, cfg_slots, cfg_readout, cfg_out_base, cfg_out_stride}

// events of a lane in a cycle, for the counters
`define LOAS_LANE_EV_W 9
`define LOAS_LANE_EV_FIELDS {ev_match, ev_empty, ev_stall_a, ev_stall_b, ev_stall_weight, ev_stall_laggy, \
                             ev_stall_out, ev_idle, ev_correction}

// events of the memory: numbers of ports, numbers of bytes
`define LOAS_MEMORY_EV_FIELDS {ev_hits, ev_misses, ev_fetches, ev_bytes_read, ev_bytes_written}

// what the masters do, and what went wrong, for the control
`define LOAS_MEMORY_STATUS_W 170
`define LOAS_MEMORY_STATUS_FIELDS {rd_idle, rd_outstanding, rd_progress, rd_oldest_addr, wr_idle, wr_outstanding, \
                                   wr_progress, wr_oldest_addr, err_bus_read, err_bus_read_addr, err_bus_write, \
                                   err_bus_write_addr, err_write_pointer, err_cache_pointer, err_cache_addr}

`endif

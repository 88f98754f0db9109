// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// One byte step of CRC-32 as zlib has it.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: combinational. Begin with all ones, take every byte in order; the CRC is the complement of the state at the
// end. About 100 LUT4: each of the 32 bits is an exclusive or of at most 14 inputs.
module loas_crc32 (
    input  wire [31:0] state,
    input  wire [7:0]  data,
    output reg  [31:0] next
);

    integer bit_index;

    always @* begin
        next = state ^ {24'd0, data};
        for (bit_index = 0; bit_index < 8; bit_index = bit_index + 1)
            next = {1'b0, next[31:1]} ^ (next[0] ? 32'hEDB88320 : 32'd0);  // the reflected polynomial
    end

endmodule

`resetall

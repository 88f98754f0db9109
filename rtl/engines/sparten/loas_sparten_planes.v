// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN: turns the packed words of a row into T bitmasks, one for each timestep.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: SparTen walks one bitmask of A at a time, so in a spiking network it wants a bitmask of spikes for each
// timestep (a plane). The machine keeps a row as one bitmask of neurons that are not silent and their packed words.
// Behind this module a row is T planes.
//
// Contract: the row of bank b is read from loas_row_buffer (LAGGY = 0) when complete[b], banks in turn; `free` (pulse)
// gives back the older bank, here as there. Of window w of bank b plane t can be read when planes_complete[b], or
// ld_valid && ld_bank == b && w < ld_windows. A read takes a cycle and holds (loas_ram); behind the row's last chunk
// planes are anything.
// Rate: GROUP = min(SLICE_W, packed words of a chunk) neurons a cycle, of paper 16: as many as LoAS's laggy prefix sum
// takes, and two more cycles for each row. One row is turned while the other is joined, and its first windows may be
// joined before its last are there.
// Edges: nothing is checked here: a row that is not what its header says never becomes complete.
module loas_sparten_planes #(
    parameter integer T       = 4,      // a RAM and a shift register of a window for each
    parameter integer CHUNK_W = 128,
    parameter integer WINDOW  = 1,      // chunks of a window
    parameter integer SLICE_W = 16,     // neurons a cycle: a popcount and a word multiplexer for each
    parameter integer K_MAX   = 8192    // the RAMs hold 2 * T * K_MAX bits
) (
    input  wire                                    clk,
    input  wire                                    rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      cfg_chunks,   // of a row

    // the row, see loas_row_buffer
    input  wire [1:0]                              complete,
    input  wire                                    free,
    output wire                                    mask_rd_en,
    output wire                                    mask_rd_bank,
    output wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    input  wire [WINDOW*CHUNK_W-1:0]               mask_rd_data,
    output wire                                    word_rd_en,
    output wire                                    word_rd_bank,
    output wire [$clog2(K_MAX+1)-1:0]              word_rd_index,
    input  wire [CHUNK_W-1:0]                      word_rd_chunk,   // all words of the chunk in which the index is

    // what is there
    output wire [1:0]                              planes_complete,
    output wire                                    ld_valid,
    output wire                                    ld_bank,
    output wire [$clog2(K_MAX/(WINDOW*CHUNK_W)+1)-1:0] ld_windows,

    input  wire                                    rd_en,
    input  wire                                    rd_bank,
    input  wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] rd_window,
    input  wire [(T > 1 ? $clog2(T) : 1)-1:0]      rd_step,
    output wire [WINDOW*CHUNK_W-1:0]               rd_data
);

    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WINDOWS  = K_MAX / WIDE;
    localparam integer WIN_W    = $clog2(WINDOWS + 1);
    localparam integer WIN_AW   = WINDOWS > 1 ? $clog2(WINDOWS) : 1;
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer WORD_W   = 1 << $clog2(T);
    localparam integer WORDS    = CHUNK_W / WORD_W;                   // of a chunk, at least 2
    localparam integer WORDS_B  = $clog2(WORDS);
    // so that a group never needs a third chunk of words
    localparam integer GROUP    = SLICE_W < WORDS ? SLICE_W : WORDS;
    localparam integer GROUP_W  = $clog2(GROUP + 1);
    localparam integer GROUPS   = WIDE / GROUP;                       // of a window
    localparam integer STEP_W   = T > 1 ? $clog2(T) : 1;
    localparam integer GROUP_AW = GROUPS > 1 ? $clog2(GROUPS) : 1;
    localparam integer LAST     = GROUPS - 1;
    localparam integer WINDOW_LAST = WINDOW - 1;

    localparam [1:0] IDLE = 2'd0, FIRST = 2'd1, RUN = 2'd2;

    reg [1:0]          phase_reg;
    reg                bank_reg;       // to be turned, or being turned
    reg                old_reg;        // the older bank
    reg [1:0]          done_reg;
    reg [WIN_W-1:0]    windows_reg;    // of the row in the RAMs
    reg [WIN_W-1:0]    ahead_reg;      // window of mask to be read next
    reg [GROUP_AW-1:0] group_reg;      // of the window
    reg [WIDE-1:0]     mask_reg;       // of the window, the group lowest
    reg [CHUNK_W-1:0]  words_reg;      // the chunk in which the next word is; the RAM shows the one behind it
    reg [WORDS_B-1:0]  word_reg;       // the next word in it
    reg [BASE_W-WORDS_B-1:0] chunk_reg;     // chunk of words to be read next

    wire [CHUNKS_W:0] rounded = {1'b0, cfg_chunks} + WINDOW_LAST[CHUNKS_W:0];
    wire [WIN_W-1:0]  windows = rounded[WINDOW_B +: WIN_W];          // of a row

    wire start     = phase_reg == IDLE && complete[bank_reg] && !done_reg[bank_reg];
    wire run       = phase_reg == RUN;
    wire group_end = group_reg == LAST[GROUP_AW-1:0];
    wire win_end   = run && group_end;
    wire row_end   = win_end && windows_reg + 1'b1 == windows;

    // ---------------------------------------------------------------------------------------------- words of the group
    // the words wait in the order of the ones of the mask, so that of a neuron is behind as many as there are ones
    // below it
    wire [GROUP_W-1:0]   count;
    wire [WORDS_B:0]     word_sum  = {1'b0, word_reg} + {{(WORDS_B+1-GROUP_W){1'b0}}, count};
    wire                 word_next = run && word_sum[WORDS_B];         // the chunk is used up
    wire [2*CHUNK_W-1:0] both      = {word_rd_chunk, words_reg} >> (word_reg * WORD_W);
    wire [GROUP-1:0]     group     = mask_reg[GROUP-1:0];
    wire [T*GROUP-1:0]   bits;                                         // of plane t at t*GROUP

    loas_popcount #(.W(GROUP)) count_inst (.in(group), .count(count));

    genvar p, t;
    generate
        for (p = 0; p < GROUP; p = p + 1) begin : gen_place
            wire [WORD_W-1:0] word;
            if (p == 0) begin : gen_first
                assign word = both[WORD_W-1:0];
            end else begin : gen_next
                wire [$clog2(p+1)-1:0] below;
                loas_popcount #(.W(p)) below_inst (.in(group[p-1:0]), .count(below));
                assign word = both[below*WORD_W +: WORD_W];
            end
            for (t = 0; t < T; t = t + 1) begin : gen_bit
                assign bits[t*GROUP+p] = group[p] && word[t];
            end
            if (WORD_W > T) begin : gen_pad
                wire unused_pad = &{1'b0, word[WORD_W-1:T]};
            end
        end
    endgenerate

    // --------------------------------------------------------------------------------------------------------- control
    assign mask_rd_en     = start || phase_reg == FIRST || win_end;
    assign mask_rd_bank   = bank_reg;
    assign mask_rd_window = start ? {WIN_AW{1'b0}} : ahead_reg[WIN_AW-1:0];
    assign word_rd_en     = start || phase_reg == FIRST || word_next;
    assign word_rd_bank   = bank_reg;
    assign word_rd_index  = start ? {BASE_W{1'b0}} : {chunk_reg, {WORDS_B{1'b0}}};

    assign planes_complete = done_reg;
    assign ld_valid        = phase_reg != IDLE;
    assign ld_bank         = bank_reg;
    assign ld_windows      = windows_reg;

    always @(posedge clk) begin
        case (phase_reg)
            // waits for a row
            IDLE: if (start) begin
                phase_reg   <= FIRST;
                windows_reg <= {WIN_W{1'b0}};
                ahead_reg   <= {WIN_W{1'b0}} + 1'b1;
                group_reg   <= {GROUP_AW{1'b0}};
                word_reg    <= {WORDS_B{1'b0}};
                chunk_reg   <= {(BASE_W-WORDS_B){1'b0}} + 1'b1;
            end
            // the first window and the first chunk of words are there
            FIRST: begin
                phase_reg <= RUN;
                mask_reg  <= mask_rd_data;
                words_reg <= word_rd_chunk;
                ahead_reg <= ahead_reg + 1'b1;
                chunk_reg <= chunk_reg + 1'b1;
            end
            // a group a cycle
            RUN: begin
                group_reg <= group_end ? {GROUP_AW{1'b0}} : group_reg + 1'b1;
                mask_reg  <= win_end ? mask_rd_data : mask_reg >> GROUP;
                word_reg  <= word_sum[WORDS_B-1:0];
                if (word_next) begin
                    words_reg <= word_rd_chunk;
                    chunk_reg <= chunk_reg + 1'b1;
                end
                if (win_end) begin
                    windows_reg <= windows_reg + 1'b1;
                    ahead_reg   <= ahead_reg + 1'b1;
                end
                if (row_end) begin
                    phase_reg          <= IDLE;
                    done_reg[bank_reg] <= 1'b1;
                    bank_reg           <= !bank_reg;
                end
            end
            default: phase_reg <= IDLE;
        endcase
        if (free) begin
            done_reg[old_reg] <= 1'b0;
            old_reg           <= !old_reg;
        end
        if (rst) begin
            phase_reg <= IDLE;
            bank_reg  <= 1'b0;
            old_reg   <= 1'b0;
            done_reg  <= 2'b00;
        end
    end

    // ---------------------------------------------------------------------------------------------------------- planes
    reg  [STEP_W-1:0] step_reg;       // of the read
    wire [WIDE*(T+1)-1:0] chain;

    assign chain[WIDE-1:0] = {WIDE{1'b0}};
    assign rd_data         = chain[WIDE*T +: WIDE];

    always @(posedge clk) begin
        if (rd_en) step_reg <= rd_step;
    end

    generate
        for (t = 0; t < T; t = t + 1) begin : gen_plane
            reg  [WIDE-1:0]       plane_reg;                   // the groups of the window so far, highest first
            wire [WIDE+GROUP-1:0] next = {bits[t*GROUP +: GROUP], plane_reg};
            wire [WIDE-1:0]       data;
            wire                  here;                        // the timestep that is read
            if (T > 1) begin : gen_pick
                assign here = step_reg == t;
            end else begin : gen_only
                assign here = 1'b1;
            end
            assign chain[WIDE*(t+1) +: WIDE] = chain[WIDE*t +: WIDE] | (data & {WIDE{here}});
            loas_ram #(.W(WIDE), .DEPTH(2 << WIN_AW)) ram_inst (
                .clk(clk),
                .wr_en(win_end), .wr_addr({bank_reg, windows_reg[WIN_AW-1:0]}), .wr_data(next[WIDE+GROUP-1:GROUP]),
                .rd_en(rd_en), .rd_addr({rd_bank, rd_window}), .rd_data(data)
            );
            always @(posedge clk) begin
                if (run) plane_reg <= next[WIDE+GROUP-1:GROUP];
            end
            wire unused_low = &{1'b0, next[GROUP-1:0]};
        end
    endgenerate

    wire unused_ok = &{1'b0, rounded, both, ahead_reg, step_reg};

endmodule

`resetall

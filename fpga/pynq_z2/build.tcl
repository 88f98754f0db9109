# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
# Block design for the PYNQ-Z2 around the packaged IP, and its bitstream: build/fpga/pynq_z2/loas.bit and loas.hwh.
#   vivado -mode batch -source fpga/pynq_z2/build.tcl -tclargs ?clock in MHz?
# NOT RUN IN VIVADO by this project: written against Vivado 2022.1's documentation (UG835, UG994).

set here  [file normalize [file dirname [info script]]]
set root  [file normalize [file join $here .. ..]]
set out   [file join $root build fpga pynq_z2]
set clock [expr {[llength $argv] > 0 ? [lindex $argv 0] : 50}]

create_project -force loas [file join $out project] -part xc7z020clg400-1
set_property ip_repo_paths [file join $out ip] [current_project]
update_ip_catalog

create_bd_design system
set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 ps]
# With the board files of TUL installed, set board_part before and use apply_bd_automation: it sets DDR and MIO. PYNQ sets them at boot
# before it loads an overlay, so that only what the fabric sees has to be right here.
set_property -dict [list \
    CONFIG.PCW_USE_M_AXI_GP0 1 \
    CONFIG.PCW_USE_S_AXI_HP0 1 \
    CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
    CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
    CONFIG.PCW_IRQ_F2P_INTR 1 \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock \
    CONFIG.PCW_EN_CLK0_PORT 1 \
    CONFIG.PCW_EN_RST0_PORT 1 \
] $ps

set loas [create_bd_cell -type ip -vlnv loas:loas:loas_pynq_z2 loas_0]
set rst  [create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset]
set gp   [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect to_registers]
set hp   [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect to_memory]
set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} $gp
set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} $hp

set clk [get_bd_pins ps/FCLK_CLK0]
foreach pin {ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK loas_0/aclk reset/slowest_sync_clk to_registers/aclk to_memory/aclk} {
    connect_bd_net $clk [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins reset/ext_reset_in]
foreach pin {loas_0/aresetn to_registers/aresetn to_memory/aresetn} {
    connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins $pin]
}
connect_bd_intf_net [get_bd_intf_pins ps/M_AXI_GP0]         [get_bd_intf_pins to_registers/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_registers/M00_AXI] [get_bd_intf_pins loas_0/s_axi]
connect_bd_intf_net [get_bd_intf_pins loas_0/m_axi]         [get_bd_intf_pins to_memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_memory/M00_AXI]    [get_bd_intf_pins ps/S_AXI_HP0]
connect_bd_net [get_bd_pins loas_0/irq] [get_bd_pins ps/IRQ_F2P]
foreach port {DDR FIXED_IO} {
    set pin [create_bd_intf_port -mode Master -vlnv [get_property VLNV [get_bd_intf_pins ps/$port]] $port]
    connect_bd_intf_net $pin [get_bd_intf_pins ps/$port]
}

# registers at 0x43C0_0000, all of the processor's memory to the machine
assign_bd_address -offset 0x43C00000 -range 4K [get_bd_addr_segs loas_0/s_axi/*]
assign_bd_address -offset 0x00000000 -range 512M -target_address_space [get_bd_addr_spaces loas_0/m_axi] \
    [get_bd_addr_segs ps/S_AXI_HP0/HP0_DDR_LOWOCM]
validate_bd_design
save_bd_design

make_wrapper -files [get_files system.bd] -top -import
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { error "no bitstream: see [get_property DIRECTORY [get_runs impl_1]]" }
open_run impl_1
if {[get_property SLACK [get_timing_paths]] < 0} { error "timing is not met at $clock MHz: give a slower clock" }
report_utilization -hierarchical -file [file join $out utilization.txt]
report_timing_summary -file [file join $out timing.txt]

set project [get_property DIRECTORY [current_project]]
file copy -force [glob $project/loas.runs/impl_1/system_wrapper.bit] [file join $out loas.bit]
file copy -force [lindex [glob $project/loas.gen/sources_1/bd/system/hw_handoff/system.hwh] 0] [file join $out loas.hwh]
puts "written: [file join $out loas.bit]"

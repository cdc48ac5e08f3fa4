// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Governed} from "./Governed.sol";

/// @title Certificates of generated energy: one token is one Wh of one interval from one kind of source.
/// @notice Minted for validated generation, held by the community, retired once on what its members consumed. Only
/// totals are here; members' shares lie under a salted Merkle root. An interval is at most an hour (EnergyTag).
/// @dev Two keys are needed for a certificate: one attests what was metered, another mints within it.
contract EnergyCertificate is ERC1155, Governed {
    struct Record {
        uint56 metered; // Wh as attested, lowered by corrections
        uint56 minted; // Wh minted and not burned by a correction
        uint56 retired;
        uint32 mintBatch; // 0: not minted
        uint32 retirementBatch; // 0: not retired
        bool attested;
    }

    /// @dev Sums of a source's records.
    struct Supply {
        uint80 metered;
        uint80 minted;
        uint80 retired;
    }

    bytes32 public constant METERING_ROLE = keccak256("METERING_ROLE");
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");
    uint8 public constant ELSEWHERE = 255;

    /// @notice Where unretired certificates are held.
    address public immutable community;
    uint32 public immutable intervalSeconds;
    uint32 public batchCount;
    mapping(bytes32 plant => uint8 source) public sourceOf;
    mapping(uint8 source => uint256) public plantsOf;
    /// @notice Wh that a correction could not burn since they were retired or sold: withheld from the next ones.
    mapping(uint8 source => uint256) public shortfallOf;
    /// @notice Wh of all intervals together: metered, minted (both less corrections) and retired.
    mapping(uint8 source => Supply) public supplyOf;
    mapping(uint256 id => Record) private _records;
    /// @notice Salted Merkle root of the members' shares in a batch of mintings or retirements.
    mapping(uint32 batch => bytes32) public rootOf;

    event PlantAdmitted(bytes32 indexed plant, uint8 source);
    event PlantExcluded(bytes32 indexed plant);
    event Attested(uint256[] ids, uint56[] wh, bytes32 readingsRoot);
    event Corrected(uint256 indexed id, uint56 metered, uint256 burned, uint256 shortfall);
    event Minted(uint32 indexed batch, uint256[] ids, bytes32 sharesRoot);
    event Retired(uint32 indexed batch, uint256[] ids, bytes32 sharesRoot);

    error InvalidIntervalLength(uint32 given);
    error PlantAlreadyCertified(bytes32 plant, uint8 source);
    error InvalidSource(uint8 source);
    error NoPlantOfSource(uint8 source);
    error LengthsDiffer(uint256 ids, uint256 amounts);
    error InvalidInterval(uint256 id);
    error NotEnded(uint256 id);
    error ZeroAmount(uint256 id);
    error AlreadyAttested(uint256 id);
    error AlreadyMinted(uint256 id);
    error MintedAboveMetered(uint256 id, uint56 metered, uint56 given);
    error AlreadyRetired(uint256 id);
    error RetiredAboveHeld(uint256 id, uint256 held, uint56 given);
    error NotACorrection(uint256 id, uint56 metered, uint56 given);

    constructor(address admin, address meterer, address issuer, address holder, uint32 interval)
        ERC1155("")
        Governed(admin)
    {
        if (interval == 0 || interval > 1 hours) revert InvalidIntervalLength(interval);
        _grantRole(METERING_ROLE, meterer);
        _grantRole(ISSUER_ROLE, issuer);
        // slither-disable-next-line missing-zero-check (ERC1155 refuses to mint for nobody)
        community = holder;
        intervalSeconds = interval;
    }

    /// @notice Takes a plant, known by its pseudonym, whose output is certified here and nowhere else.
    function admitPlant(bytes32 plant, uint8 source) external onlyRole(METERING_ROLE) whenNotPaused {
        if (source == 0 || source == ELSEWHERE) revert InvalidSource(source);
        if (sourceOf[plant] != 0) revert PlantAlreadyCertified(plant, sourceOf[plant]);
        sourceOf[plant] = source;
        ++plantsOf[source];
        emit PlantAdmitted(plant, source);
    }

    /// @notice Another scheme certifies this plant's output; it can never be admitted here.
    function excludePlant(bytes32 plant) external onlyRole(METERING_ROLE) whenNotPaused {
        uint8 source = sourceOf[plant];
        if (source == ELSEWHERE) revert PlantAlreadyCertified(plant, source);
        if (source != 0) --plantsOf[source];
        sourceOf[plant] = ELSEWHERE;
        emit PlantExcluded(plant);
    }

    /// @notice Says what admitted plants generated: Wh, rounded down, once for each interval and source.
    function attest(uint256[] calldata ids, uint56[] calldata wh, bytes32 readingsRoot)
        external
        onlyRole(METERING_ROLE)
        whenNotPaused
    {
        if (ids.length != wh.length) revert LengthsDiffer(ids.length, wh.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            (uint256 start, uint8 source) = (id >> 8, uint8(id));
            if (plantsOf[source] == 0) revert NoPlantOfSource(source);
            if (start >= 1 << 40 || start % intervalSeconds != 0) revert InvalidInterval(id);
            if (start + intervalSeconds > block.timestamp) revert NotEnded(id);
            if (wh[i] == 0) revert ZeroAmount(id);
            if (_records[id].attested) revert AlreadyAttested(id);
            (_records[id].metered, _records[id].attested) = (wh[i], true);
            supplyOf[source].metered += wh[i];
        }
        emit Attested(ids, wh, readingsRoot);
    }

    /// @notice Mints once for each interval and source, at most what was attested, less what earlier ones fell short.
    function mint(uint256[] calldata ids, uint56[] calldata wh, bytes32 sharesRoot)
        external
        onlyRole(ISSUER_ROLE)
        whenNotPaused
    {
        if (ids.length != wh.length) revert LengthsDiffer(ids.length, wh.length);
        uint32 batch = _newBatch(sharesRoot);
        uint256[] memory amounts = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            Record storage record = _records[id];
            if (wh[i] == 0) revert ZeroAmount(id);
            if (record.mintBatch != 0) revert AlreadyMinted(id);
            if (wh[i] > record.metered) revert MintedAboveMetered(id, record.metered, wh[i]);
            record.mintBatch = batch;
            amounts[i] = _mintable(id, wh[i]);
            record.minted = uint56(amounts[i]);
        }
        emit Minted(batch, ids, sharesRoot);
        _mintBatch(community, ids, amounts, "");
    }

    /// @notice Takes certificates out of the world for what members consumed, once for each interval and source.
    function retire(uint256[] calldata ids, uint56[] calldata wh, bytes32 sharesRoot)
        external
        onlyRole(ISSUER_ROLE)
        whenNotPaused
    {
        if (ids.length != wh.length) revert LengthsDiffer(ids.length, wh.length);
        uint32 batch = _newBatch(sharesRoot);
        emit Retired(batch, ids, sharesRoot);
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            Record storage record = _records[id];
            if (wh[i] == 0) revert ZeroAmount(id);
            if (record.retirementBatch != 0) revert AlreadyRetired(id);
            uint256 held = balanceOf(community, id);
            if (wh[i] > held) revert RetiredAboveHeld(id, held, wh[i]);
            record.retirementBatch = batch;
            record.retired = wh[i];
            supplyOf[uint8(id)].retired += wh[i];
            _burn(community, id, wh[i]);
        }
    }

    /// @notice Lowers what was metered and burns what was minted above it.
    function correct(uint256 id, uint56 wh) external onlyRole(METERING_ROLE) whenNotPaused {
        Record storage record = _records[id];
        if (wh >= record.metered) revert NotACorrection(id, record.metered, wh);
        Supply storage supply = supplyOf[uint8(id)];
        supply.metered -= record.metered - wh;
        record.metered = wh;
        uint256 excess = record.minted > wh ? record.minted - wh : 0;
        uint256 burned = _lesser(excess, balanceOf(community, id));
        // What cannot be burned counts as minted for later intervals, so that a second correction does not take it again.
        record.minted -= uint56(excess);
        supply.minted -= uint56(excess);
        shortfallOf[uint8(id)] += excess - burned;
        emit Corrected(id, wh, burned, excess - burned);
        if (burned != 0) _burn(community, id, burned);
    }

    function recordOf(uint256 id) external view returns (Record memory) {
        return _records[id];
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC1155, AccessControlDefaultAdminRules)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    function _update(address from, address to, uint256[] memory ids, uint256[] memory values)
        internal
        override
        whenNotPaused
    {
        super._update(from, to, ids, values);
    }

    /// @dev `wh` less what is withheld for corrections that came too late, and counted.
    function _mintable(uint256 id, uint56 wh) private returns (uint256 amount) {
        uint8 source = uint8(id);
        uint256 withheld = _lesser(shortfallOf[source], wh);
        if (withheld != 0) shortfallOf[source] -= withheld;
        amount = wh - withheld;
        supplyOf[source].minted += uint56(amount);
    }

    function _newBatch(bytes32 root) private returns (uint32 batch) {
        batch = ++batchCount;
        rootOf[batch] = root;
    }

    function _lesser(uint256 one, uint256 other) private pure returns (uint256) {
        return one < other ? one : other;
    }
}
